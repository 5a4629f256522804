// Package pitr proves recovery to a point in time on real servers: a test
// that knows what must be there at which instant writes, loses servers, and
// compares what comes back.
package pitr
