"""Which tests try which auth rule: the rules of version 12 by their numbers, then those that it no longer has.

The tests of a row run, taken together, in every room version: where the rule holds, and where it does not. The second
"10.10" of the specification is 10.11 here; a rule with one step, like 7, is one row.
Spec: https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RULES = """
1.1        test_create_event_with_prev_events_is_rejected
1.2        test_create_event_with_a_room_id_is_rejected
           test_create_event_for_another_servers_room_id_is_rejected
1.3        test_unrecognised_room_version_is_rejected
           test_room_version_may_be_left_out
1.4        test_malformed_additional_creators_are_rejected
           test_additional_creators_that_are_user_ids_are_allowed
           test_additional_creators_mean_nothing_before_version_12
1.5        test_create_event_is_allowed
           test_create_event_is_judged_by_itself_whatever_the_state_is
2          test_event_of_a_room_id_that_is_not_the_create_events_is_rejected
           test_room_id_must_be_that_of_an_accepted_create_event
           test_room_id_is_not_held_against_the_create_event_before_version_12
3.1        test_doubled_auth_events_are_rejected
3.2        test_auth_events_that_the_selection_does_not_name_are_rejected
           test_create_event_must_not_be_among_the_auth_events_since_version_12
3.3        test_rejected_auth_events_are_rejected
3.5        test_auth_events_of_another_room_are_rejected
4          test_unfederated_room_takes_events_of_the_creators_server_alone
           test_room_is_federated_unless_the_property_is_false
           test_unfederated_room_comes_before_the_rules_about_types
5.1        test_member_event_without_state_key_is_rejected
           test_member_event_without_membership_is_rejected
5.2        test_member_event_that_its_authorising_server_did_not_sign_is_rejected
           test_join_authorised_via_users_server_means_nothing_before_version_8
           test_key_of_the_authorising_user_counts_in_every_member_event
5.3.1      test_creator_joins_right_after_the_create_event
           test_nobody_else_joins_right_after_the_create_event
           test_first_to_join_is_the_creator_in_the_content_through_version_10
           test_first_to_join_is_the_sender_of_the_create_event_since_version_11
           test_first_join_has_the_create_event_as_its_only_previous_one
           test_rule_about_the_first_join_comes_before_that_about_the_sender
5.3.2      test_nobody_joins_for_somebody_else
5.3.3      test_banned_user_cannot_rejoin_before_unban
5.3.4      test_invited_user_joins_and_may_join_again
           test_knock_is_no_join_rule_and_no_membership_before_version_7
5.3.5.1    test_invited_user_joins_a_restricted_room_and_rejoins_unauthorised
           test_restricted_is_no_join_rule_before_version_8
           test_banned_user_is_not_let_in_by_an_authorising_user
5.3.5.2    test_restricted_join_is_not_authorised_by_others
           test_restricted_join_is_not_authorised_by_a_member_below_the_invite_level
           test_authorising_user_must_be_in_the_room
           test_restricted_is_no_join_rule_before_version_8
5.3.5.3    test_restricted_join_is_authorised_by_a_member_who_may_invite
           test_knock_restricted_does_not_exist_before_version_10
           test_restricted_is_no_join_rule_before_version_8
           test_knock_restricted_join_is_authorised_by_a_member_who_may_invite
5.3.6      test_public_room_is_joined_by_anybody
5.3.7      test_closed_room_is_not_joined_without_invitation
           test_room_without_join_rules_is_joined_by_invitation_only
           test_join_rule_that_is_no_string_lets_nobody_in
           test_join_rules_that_say_nothing_mean_by_invitation
           test_invitation_does_not_help_under_other_join_rules
5.4.1.1    test_banned_user_is_not_invited
5.4.1.2    test_invite_without_signed_is_rejected
5.4.1.3    test_signed_without_user_or_token_is_rejected
5.4.1.4    test_invite_for_another_user_is_rejected
5.4.1.5    test_invite_with_an_unknown_token_is_rejected
5.4.1.6    test_invite_by_another_than_who_issued_it_is_rejected
5.4.1.7    test_signed_invite_is_allowed_and_lets_the_user_join
           test_key_may_stand_in_the_list
           test_key_may_be_written_in_either_alphabet
           test_one_good_signature_among_others_is_enough
           test_signed_invite_counts_for_whom_the_rules_about_ordinary_ones_would_stop
5.4.1.8    test_invite_that_another_key_signed_is_rejected
           test_malformed_signatures_are_rejected
           test_what_was_signed_cannot_be_changed
           test_issued_invite_without_a_usable_key_lets_nobody_in
5.4.2      test_only_members_invite
5.4.3      test_members_and_banned_users_are_not_invited
5.4.4      test_invitation_needs_the_invite_level
           test_levels_that_are_reached_are_enough
5.4.5      test_invitation_needs_the_invite_level
5.5.1      test_member_leaves_and_invited_user_refuses
           test_who_has_left_or_was_banned_cannot_leave
           test_knock_is_retracted
           test_knock_cannot_be_retracted_before_version_7
5.5.2      test_kick_needs_membership
5.5.3      test_unban_needs_the_ban_level_and_the_kick_level
           test_kick_does_not_need_the_ban_level
5.5.4      test_kick_needs_the_kick_level
           test_kick_needs_more_power_than_the_target_has
           test_levels_that_are_reached_are_enough
           test_unban_needs_more_power_than_the_target_has
5.5.5      test_kick_needs_the_kick_level
           test_more_power_than_the_target_has_is_not_enough
           test_kick_needs_more_power_than_the_target_has
5.6.1      test_ban_needs_membership_level_and_more_power_than_the_target_has
           test_nobody_bans_from_outside
5.6.2      test_ban_needs_membership_level_and_more_power_than_the_target_has
           test_nobody_acts_against_a_creator_with_any_level
           test_banned_user_is_banned_again_and_invited_user_is_banned
5.6.3      test_ban_needs_membership_level_and_more_power_than_the_target_has
           test_more_power_than_the_target_has_is_not_enough
5.7.1      test_nobody_knocks_under_other_join_rules
           test_knock_restricted_room_takes_knocks_and_invitations
           test_knock_is_no_join_rule_and_no_membership_before_version_7
           test_knock_restricted_does_not_exist_before_version_10
5.7.2      test_nobody_knocks_for_somebody_else
           test_knock_is_no_join_rule_and_no_membership_before_version_7
5.7.3      test_user_knocks_is_invited_and_joins
           test_knock_is_retracted
           test_knock_is_no_join_rule_and_no_membership_before_version_7
           test_who_has_left_may_knock_and_who_has_knocked_may_again
5.7.4      test_member_invited_and_banned_users_cannot_knock
           test_knock_is_no_join_rule_and_no_membership_before_version_7
5.8        test_unknown_membership_is_rejected
6          test_only_members_send
7          test_third_party_invite_needs_the_invite_level_alone
           test_third_party_invite_is_asked_nothing_after_the_invite_level
           test_third_party_invite_needs_membership
8          test_event_needs_the_level_of_its_type
           test_room_without_power_levels_is_ruled_by_its_creator
9          test_state_key_that_is_a_user_id_belongs_to_that_user
10.1       test_level_that_is_no_integer_is_rejected
           test_levels_may_be_strings_through_version_9
           test_level_that_means_no_integer_is_rejected_in_every_version
           test_strings_mean_nothing_since_version_10
10.2       test_events_that_are_no_object_of_levels_are_rejected
           test_notifications_that_are_no_object_of_levels_are_rejected
           test_malformed_notifications_are_not_looked_at_before_version_6
10.3       test_users_that_are_no_levels_by_user_id_are_rejected
10.4       test_creators_cannot_be_given_a_level
           test_creators_may_be_given_a_level_before_version_12
10.5       test_first_power_levels_event_may_say_anything
           test_first_power_levels_event_is_checked_by_itself
10.6       test_default_and_action_levels_change_below_the_senders_own
           test_level_above_the_senders_own_is_neither_lowered_nor_removed
           test_level_that_was_absent_counts_as_none_and_not_as_its_default
10.7       test_event_levels_change_below_the_senders_own
           test_notification_levels_are_free_before_version_6
10.8       test_event_levels_change_below_the_senders_own
           test_notification_levels_change_below_the_senders_own_since_version_6
10.9       test_levels_of_others_change_if_they_are_below_the_senders
           test_sender_may_lower_but_not_raise_the_own_level
10.10      test_levels_of_others_change_if_they_are_below_the_senders
           test_creator_changes_levels_above_everything
10.11      test_default_and_action_levels_change_below_the_senders_own
11         test_message_of_a_member_is_allowed
           test_aliases_are_ordinary_state_since_version_6
v1-creator test_create_event_must_name_its_creator_through_version_10
           test_create_event_names_no_creator_since_version_11
v1-create  test_create_event_must_be_among_the_auth_events_through_version_11
           test_create_event_must_not_be_among_the_auth_events_since_version_12
v1-aliases test_aliases_belong_to_the_senders_server_through_version_5
           test_aliases_are_ordinary_state_since_version_6
v1-redact  test_redaction_needs_the_redact_level_or_the_same_server
           test_redaction_is_an_ordinary_event_since_version_3
           test_ids_without_a_domain_are_of_no_server
           test_redaction_of_ones_own_needs_the_level_of_its_type_too
v3-redact  test_redaction_applies_with_the_redact_level_or_from_the_same_server
v1-strings test_levels_may_be_strings_through_version_9
           test_strings_stand_in_every_property_through_version_9
           test_string_levels_have_at_most_30_digits
           test_strings_mean_nothing_since_version_10
v1-floats  test_levels_may_be_floats_through_version_5
           test_floats_are_truncated_after_the_exponent_is_applied
           test_floats_mean_nothing_since_version_6
           test_what_is_no_number_is_no_level
selection  test_selected_auth_events_are_right
           test_join_rules_are_auth_events_of_joins_invites_and_knocks
           test_auth_events_are_those_of_the_selection_and_no_others
           test_create_event_has_no_auth_events
           test_issued_invite_is_an_auth_event_of_the_invitation_made_from_it
selection8 test_authorising_user_is_an_auth_event_of_joins
           test_authorising_user_is_no_auth_event_before_version_8
           test_authorising_user_is_selected_once_and_since_version_8
defaults   test_defaults_without_power_levels_event
           test_defaults_of_an_empty_power_levels_event
           test_creators_are_above_every_level
any        test_rules_answer_whatever_is_in_the_events_and_selected_auth_events_decide_as_the_state
           test_state_without_its_create_event_allows_nothing_but_a_create_event
"""


def rows_of(table: str) -> dict[str, list[str]]:
    """The names of tests by rule; an indented line goes on with the row above it."""
    rows: dict[str, list[str]] = {}
    rule = ""
    for line in table.strip().splitlines():
        names = line.split()
        if not line.startswith(" "):
            rule = names.pop(0)
            assert rule not in rows, f"{rule} stands there twice"
        rows.setdefault(rule, []).extend(names)
    return rows


ROWS = rows_of(RULES)


def numbered_rules() -> set[str]:
    """Every rule of version 12 that can decide, as its page numbers them."""
    steps = {
        "1": 5, "5": 2, "5.3": 3, "5.3.5": 3, "5.4.1": 8, "5.5": 5, "5.6": 3, "5.7": 4, "10": 11
    }  # fmt: skip
    rules = {f"{rule}.{step}" for rule, count in steps.items() for step in range(1, count + 1)}
    rules |= {"2", "3.1", "3.2", "3.3", "3.5", "4", "5.3.4", "5.3.6", "5.3.7", "5.4.2", "5.4.3", "5.4.4", "5.4.5"}
    return rules | {"5.8", "6", "7", "8", "9", "11"}


def versions_of_tests() -> dict[str, set[int]]:
    """In which room versions each test runs, by its decorators."""
    paths = [*HERE.glob("test_event_auth*.py"), HERE / "receipt" / "test_authorization.py"]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {
        node.name: {number for decorator in node.decorator_list for number in versions_of(decorator)}
        for node in nodes
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def versions_of(decorator: ast.expr) -> range:
    match decorator:
        case ast.Name("every_version"):
            return range(1, 13)
        case ast.Call(ast.Name("versions"), [ast.Constant(int(first))]):
            return range(first, 13)
        case ast.Call(ast.Name("versions"), [ast.Constant(int(first)), ast.Constant(int(last))]):
            return range(first, last + 1)
    return range(0)


VERSIONS = versions_of_tests()


@pytest.mark.parametrize("rule", ROWS)
def test_rule_has_tests(rule: str) -> None:
    assert set(ROWS[rule]) <= set(VERSIONS)


@pytest.mark.parametrize("rule", ROWS)
def test_rule_is_tested_in_every_version(rule: str) -> None:
    assert set().union(*(VERSIONS[name] for name in ROWS[rule])) == set(range(1, 13))


def test_no_rule_of_version_12_is_left_out() -> None:
    assert {rule for rule in ROWS if rule[0].isdigit()} == numbered_rules()
