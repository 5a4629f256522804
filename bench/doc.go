// Command bench measures holdfast beside its peers on the same machine, data
// and minute, and prints what each step cost, as a Markdown table.
//
//	go run ./bench                  everything, median of three: hours
//	go run ./bench -quick -runs 1   small data sets: minutes
//	go run ./bench -quick -enforce  as a guard: fails when holdfast is dearer than restic
//	go run ./bench -far -quick      repositories on S3 behind a line of 50 ms and 200 Mbit/s
//	go run ./bench base             base backups of PostgreSQL beside pgbackrest's and pg_basebackup's
//	go run ./bench base -pg DIR     with the server's programs in DIR: one of version 17 sends changed blocks alone
//	go run ./bench wal              how fast archive_command gets rid of a backlog, beside pgbackrest's
//	go run ./bench replay           whether recovery waits for its log, beside cp and pgbackrest
//	go run ./bench walk             a backup of a million unchanged files, beside find
//	go run ./bench -sets D1 -tools holdfast,restic -steps first,restore
//
// One cycle of one tool on one data set is: init, first backup, backup with
// nothing changed, backup with 1 % changed, restore, check of all data, forget
// and prune. The source is read into the page cache before each cycle, every
// step is one or more child processes, and the tree that a restore makes is
// compared with the source outside the measured time. The tools take turns
// (A B C, A B C), so that a slow minute of the machine hits all of them. Before
// the first of them all free memory is used once: on a virtual machine the first
// use of a page is dear.
//
// CPU is the kernel's user + system time of the process and its children, the
// figure to trust on a shared machine. Wall time is there too, and means
// something only when nothing else runs. Memory is the peak resident size.
//
// With -far the store is a MinIO of this machine behind a proxy that counts
// requests and a line that delays and bounds what passes, so neither wall time
// is free of what they cost; all tools pay the same. "CPUs of others" tells how
// much of the machine they took: with all of it in use, a wall time is that of
// the processors, not of the line. kopia and rclone take part; rclone, which
// copies file by file, takes an hour for small files.
//
// bench wal measures wal-g too where a program of that name is found. The newest
// that the module proxy serves is v0.2.19, built with CGO_ENABLED=1 and -mod=mod
// from ./main/pg in a copy of its source; its base backups need functions that
// PostgreSQL 15 no longer has, so that only its archiving can be compared.
//
// bench walk makes a million files in 10,000 folders, which take 4 GB. find asks
// the system for what a backup has to ask of each file, and for nothing else.
//
// Data sets, peers' repositories and logs live under $BENCH, or holdfast-bench
// in the temporary folder: 20 GB at most. Data sets are kept between runs.
package main
