package s3_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/storagetest"
	"holdfast/test/hostile"
	"holdfast/test/servers"
	"holdfast/test/wan"
)

// TestHostileService puts the real server behind a proxy that misbehaves.
func TestHostileService(t *testing.T) {
	hostile.Run(t, func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile {
		o := place(t)
		return hostile.HTTP(t, trouble, hostile.Service{URL: servers.S3(t).Endpoint, Put: "PUT", Lists: "list-type=2"}, func(p *wan.Proxy) storage.Store {
			o.Endpoint, o.PlainHTTP = p.Address(), true
			return open(t, o)
		})
	})
}
