"""The real `plexus up`, over HTTP alone, as clients and operators meet it."""
