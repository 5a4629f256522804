// Package servers starts real servers for tests: MinIO, Azurite,
// fake-gcs-server, sshd and restic's rest-server.
//
// Each is started on first use, on a free port of the loopback, and serves
// the rest of the test process; only RestServer starts one for each call.
// When the process ends, in whatever way, its servers are killed and their
// data is removed. A test that fails shows what the servers it used logged
// meanwhile.
//
// The programs come from the cache of package tools. To have them before the
// tests start, run
//
//	go run ./test/tools/cmd/install minio azurite fake-gcs-server rest-server
//
// They run on Linux. Elsewhere a test that asks for one is skipped.
package servers
