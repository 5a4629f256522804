// Package wal carries PostgreSQL's write-ahead log to log archives and back:
// as archive_command (Push), over a replication connection (Receive), and as
// restore_command (Fetch).
//
// A server believes what these answer. Push returns nil only when the file is
// durable under the plan's rule; Receive confirms a position only when the
// archives have it; Fetch says "no such file" only when the archive, asked
// successfully, has neither it nor anything after it. Everything else is an
// error, on which the server keeps its log, or stops its recovery.
package wal
