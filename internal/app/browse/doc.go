// Package browse looks into repositories for the service: their snapshots, what
// is in them, restore tests and holds. It is the part of api.Backend that needs
// a repository to be open.
//
// A repository is opened when it is first asked for, and closed when nobody did
// for some minutes: deriving its key takes a quarter of a second, and a page
// asks many times. It is read without a lock, so that nobody who removes
// something has to wait for a page that is looked at. What a prune took away
// meanwhile is missed loudly, and looked up once more in the index as it is
// then.
//
// # Limits
//
// At most openAtOnce repositories are open, and their indexes are mapped files.
// Folders that were read are kept in a form of some 100 bytes an entry, up to
// listingBytes; a folder being read takes its JSON as well, and treeBytes
// bounds what all of these take together. Searches and comparisons, and
// downloads, have a number of places each. A repository that does not answer is
// given up after answerWithin, and is not asked again for a while, during which
// a copy is read instead.
package browse
