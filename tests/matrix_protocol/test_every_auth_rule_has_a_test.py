# ruff: noqa: E501
"""Which test tries which auth rule: the rules of version 12 by their numbers, then those that it no longer has.

Most tests are parametrised over the versions in which the rule holds; where a version lacks it, the last column names the
test that says so. Spec: https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RULES = """
1.1        test_create_event_with_prev_events_is_rejected
1.2        test_create_event_with_a_room_id_is_rejected                       test_create_event_for_another_servers_room_id_is_rejected
1.3        test_unrecognised_room_version_is_rejected                         test_room_version_may_be_left_out
1.4        test_malformed_additional_creators_are_rejected                    test_additional_creators_mean_nothing_before_version_12
1.5        test_create_event_is_allowed
2          test_event_of_a_room_id_that_is_not_the_create_events_is_rejected  test_room_id_must_be_that_of_an_accepted_create_event
3.1        test_doubled_auth_events_are_rejected
3.2        test_auth_events_that_the_selection_does_not_name_are_rejected     test_create_event_must_not_be_among_the_auth_events_since_version_12
3.3        test_rejected_auth_events_are_rejected
3.5        test_auth_events_of_another_room_are_rejected
4          test_unfederated_room_takes_events_of_the_creators_server_alone    test_room_is_federated_unless_the_property_is_false
5.1        test_member_event_without_state_key_is_rejected                    test_member_event_without_membership_is_rejected
5.2        test_member_event_that_its_authorising_server_did_not_sign_is_rejected test_join_authorised_via_users_server_means_nothing_before_version_8
5.3.1      test_creator_joins_right_after_the_create_event                    test_nobody_else_joins_right_after_the_create_event
5.3.2      test_nobody_joins_for_somebody_else
5.3.3      test_banned_user_cannot_rejoin_before_unban
5.3.4      test_invited_user_joins_and_may_join_again                         test_knock_is_no_join_rule_and_no_membership_before_version_7
5.3.5.1    test_invited_user_joins_a_restricted_room_and_rejoins_unauthorised test_restricted_is_no_join_rule_before_version_8
5.3.5.2    test_restricted_join_is_not_authorised_by_others                   test_restricted_join_is_not_authorised_by_a_member_below_the_invite_level
5.3.5.3    test_restricted_join_is_authorised_by_a_member_who_may_invite      test_knock_restricted_does_not_exist_before_version_10
5.3.6      test_public_room_is_joined_by_anybody
5.3.7      test_closed_room_is_not_joined_without_invitation                  test_room_without_join_rules_is_joined_by_invitation_only
5.4.1.1    test_banned_user_is_not_invited
5.4.1.2    test_invite_without_signed_is_rejected
5.4.1.3    test_signed_without_user_or_token_is_rejected
5.4.1.4    test_invite_for_another_user_is_rejected
5.4.1.5    test_invite_with_an_unknown_token_is_rejected
5.4.1.6    test_invite_by_another_than_who_issued_it_is_rejected
5.4.1.7    test_signed_invite_is_allowed_and_lets_the_user_join               test_key_may_stand_in_the_list
5.4.1.8    test_invite_that_another_key_signed_is_rejected                    test_malformed_signatures_are_rejected
5.4.2      test_only_members_invite
5.4.3      test_members_and_banned_users_are_not_invited
5.4.4      test_invitation_needs_the_invite_level
5.5.1      test_member_leaves_and_invited_user_refuses                        test_who_has_left_or_was_banned_cannot_leave
5.5.2      test_kick_needs_membership
5.5.3      test_unban_needs_the_ban_level_and_the_kick_level
5.5.4      test_kick_needs_the_kick_level                                     test_kick_needs_more_power_than_the_target_has
5.6.1      test_ban_needs_membership_level_and_more_power_than_the_target_has
5.6.2      test_ban_needs_membership_level_and_more_power_than_the_target_has test_nobody_acts_against_a_creator_with_any_level
5.7.1      test_nobody_knocks_under_other_join_rules                          test_knock_restricted_room_takes_knocks_and_invitations
5.7.2      test_nobody_knocks_for_somebody_else
5.7.3      test_user_knocks_is_invited_and_joins                              test_knock_is_retracted
5.7.4      test_member_invited_and_banned_users_cannot_knock
5.8        test_unknown_membership_is_rejected
6          test_only_members_send
7          test_third_party_invite_needs_the_invite_level_alone
8          test_event_needs_the_level_of_its_type                             test_room_without_power_levels_is_ruled_by_its_creator
9          test_state_key_that_is_a_user_id_belongs_to_that_user
10.1       test_level_that_is_no_integer_is_rejected                          test_levels_may_be_strings_through_version_9
10.2       test_events_that_are_no_object_of_levels_are_rejected              test_notifications_that_are_no_object_of_levels_are_rejected
10.3       test_users_that_are_no_levels_by_user_id_are_rejected
10.4       test_creators_cannot_be_given_a_level
10.5       test_first_power_levels_event_may_say_anything
10.6       test_default_and_action_levels_change_below_the_senders_own        test_level_above_the_senders_own_is_neither_lowered_nor_removed
10.7       test_event_levels_change_below_the_senders_own                     test_notification_levels_are_free_before_version_6
10.8       test_event_levels_change_below_the_senders_own                     test_notification_levels_change_below_the_senders_own_since_version_6
10.9       test_levels_of_others_change_if_they_are_below_the_senders         test_sender_may_lower_but_not_raise_the_own_level
10.10      test_levels_of_others_change_if_they_are_below_the_senders         test_creator_changes_levels_above_everything
11         test_message_of_a_member_is_allowed
v1-creator test_create_event_must_name_its_creator_through_version_10         test_create_event_names_no_creator_since_version_11
v1-create  test_create_event_must_be_among_the_auth_events_through_version_11
v1-aliases test_aliases_belong_to_the_senders_server_through_version_5        test_aliases_are_ordinary_state_since_version_6
v1-redact  test_redaction_needs_the_redact_level_or_the_same_server           test_redaction_is_an_ordinary_event_since_version_3
v3-redact  test_redaction_applies_with_the_redact_level_or_from_the_same_server
v1-levels  test_levels_may_be_floats_through_version_5                        test_level_that_means_no_integer_is_rejected_in_every_version
selection  test_selected_auth_events_are_right                                test_join_rules_are_auth_events_of_joins_invites_and_knocks
selection8 test_authorising_user_is_an_auth_event_of_joins                    test_authorising_user_is_no_auth_event_before_version_8
"""
ROWS = [line.split() for line in RULES.strip().splitlines()]


def names_of_tests() -> set[str]:
    paths = [*HERE.glob("test_event_auth*.py"), HERE / "receipt" / "test_authorization.py"]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_rule_has_tests(row: list[str]) -> None:
    assert set(row[1:]) <= names_of_tests()
    assert row[1:]


def test_no_rule_of_version_12_is_left_out() -> None:
    numbered = {row[0] for row in ROWS if row[0][0].isdigit()}
    assert {number.partition(".")[0] for number in numbered} == {str(number) for number in range(1, 12)}
    assert len(numbered) == len([row for row in ROWS if row[0][0].isdigit()])
