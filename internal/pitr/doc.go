// Package pitr restores a PostgreSQL cluster to a point in time: it chooses
// the base backup and the timeline for a wish, brings the data directory back,
// tells the server how to recover, and finds out where recovery stopped.
//
// Choosing is a function of facts alone (Choose), so that a plan can be shown,
// and tested, without touching anything.
package pitr
