package gcs_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/storagetest"
	"holdfast/test/hostile"
	"holdfast/test/servers"
	"holdfast/test/wan"
)

// TestHostileService puts the emulator behind a proxy that misbehaves.
func TestHostileService(t *testing.T) {
	hostile.Run(t, func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile {
		o := emulated(t)
		return hostile.HTTP(t, trouble, hostile.Service{URL: servers.GCS(t).Endpoint, Put: "POST", Lists: "/o?"}, func(p *wan.Proxy) storage.Store {
			o.Endpoint = p.URL()
			return open(t, o)
		})
	})
}
