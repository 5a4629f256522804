// Package buckets proves on real servers what holdfast promises of buckets:
// that an attacker destroys nothing, that roles are allowed no more than they
// need, that settings are what the service keeps, and that what has grown cold
// comes back.
package buckets
