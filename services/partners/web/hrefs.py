"""Where things of partners are found."""

MOUNT = "/partners"
LIST = f"{MOUNT}/organisations"
EXPORTS = f"{MOUNT}/exports"
API_LIST = f"{MOUNT}/api/v1/organisations"
