// Package postgres knows what the rest of holdfast has to know of PostgreSQL:
// how write-ahead log (WAL) is named and begins, what timeline histories say,
// and how a server is spoken to.
//
// Sources are those of PostgreSQL 15 and later: src/include/access/xlog_internal.h,
// src/backend/access/transam/timeline.c, and the chapter "Streaming Replication
// Protocol" of its documentation.
package postgres
