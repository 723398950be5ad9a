"""How many of everything a rate of messages needs: measured costs, a model of them, and a simulation that checks it."""
