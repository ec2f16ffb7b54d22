"""What each boot loader reads, unpacks and runs: PV-GRUB (GRUB 0.97), pygrub, GRUB 2. Facts, each with its source."""
