"""The story of `make demo`: it plays the people, and starts and kills processes. No part of the product."""
