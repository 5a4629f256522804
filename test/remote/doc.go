// Package remote runs holdfast and restic, as they are shipped, on one
// repository in every kind of remote store, each over the protocol of a real
// server.
package remote
