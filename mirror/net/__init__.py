"""The one way a photo's address is fetched.

addresses.py  which addresses, and names of hosts, belong to the public internet
guard.py      connections that are checked before they are made
fetch.py      one URL, one attempt, within limits
"""
