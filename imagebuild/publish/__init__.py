"""From a verified image to a cloud that runs it; one package for each cloud: `ec2/`."""
