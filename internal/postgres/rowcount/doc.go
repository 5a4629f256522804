// Package rowcount counts the rows of a PostgreSQL server's tables when it is
// backed up, and says of a restored one whether it has them.
//
// A count belongs to a moment: a snapshot of the server's transactions, and
// the position of its log. Restored to another moment, a table may rightly have
// other rows. Whether the restored server is at the very moment is found out
// from what it knows of transactions, so that a difference is called one only
// where it cannot be anything else.
package rowcount
