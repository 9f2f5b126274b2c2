"""A run's dataset and model to the Hub: shown first, sent when told; and a published dataset's settings back.

`plan` gathers what would be sent and reaches no network, `describe` shows it, `upload` sends it. Files go up as they
lie on disk, in one commit a repository, instead of through `push_to_hub`: that would write new files and a new card, so
that what was shown would not be what is sent; and it knows neither the BEIR files nor the licence and provenance that
the card states. The cards are written anew, with what is known at the run's end.
"""
