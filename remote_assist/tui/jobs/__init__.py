"""What the screens ask of the technician's side, one file an area; each call becomes a job of `work.Work`."""
