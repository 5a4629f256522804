// Package restserver runs holdfast and restic, as they are shipped, over the
// REST protocol and SFTP: each on the servers of the other, with servers that
// are append-only, and that are killed.
package restserver
