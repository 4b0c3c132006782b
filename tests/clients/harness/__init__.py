"""What the tests of real clients stand on: a place, guests, a service, and the clients."""
