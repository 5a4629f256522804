package cli

import "runtime/debug"

// gcPercent trades CPU time for memory: the heap may grow by this share of
// what is in use before it is collected. Most memory is in buffers that are
// reused, so that collecting more often costs little.
const gcPercent = 20

// restoreGCPercent is gcPercent for restores: they need less memory than
// backups, and make much garbage, something for each file. Against 50 it saves 2
// to 9 % of the time outside the kernel with small files (busy machine).
const restoreGCPercent = 100

// releaseKeyMemory gives the memory that deriving a key took, up to 64 MiB,
// back to the system: it would otherwise stay with the process and count for
// all of its life.
func releaseKeyMemory() { debug.FreeOSMemory() }
