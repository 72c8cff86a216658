"""What authors run: the notebooks, exercises and the table of claims are built from their sources here."""
