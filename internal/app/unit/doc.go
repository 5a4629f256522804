// Package unit has systemd run `holdfast serve`.
//
// A Spec says what the unit is made for, and its Text is the unit: a service
// that may read everything and write next to nothing. Install and Uninstall
// make plans, which are shown and then executed; Look tells how an installed
// unit stands. The Debian package ships the unit of Packaged; on a machine that
// has it, Install writes a drop-in with nothing but what differs.
//
// A unit that is installed again is replaced, drop-ins of others never are.
// Nothing here touches what was backed up, the state or the configuration.
package unit
