"""SalamBot's services and jobs: what answers the customers."""
