"""Who somebody is: certificates, the CA's lists, what a technician states."""
