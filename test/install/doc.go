// Package install proves that holdfast is installed like other software: a
// small Debian is booted with its own systemd, and there the unit is installed
// and does its work, the package is installed, upgraded while a backup runs,
// removed and purged. The container image's root file system is run, too, and
// every example of a configuration is checked. The package for arm64 is run in an
// emulator.
package install
