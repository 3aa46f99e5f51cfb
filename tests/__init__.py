"""The tests: one folder for each service and each layer, and here what is true of the whole project."""
