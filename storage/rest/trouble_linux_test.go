package rest_test

import (
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/storagetest"
	"holdfast/test/hostile"
	"holdfast/test/servers"
	"holdfast/test/wan"
)

// TestHostileService puts our server, and restic's own, behind a proxy that
// misbehaves.
func TestHostileService(t *testing.T) {
	for name, server := range map[string]func(t *testing.T) string{
		"ours":                  func(t *testing.T) string { return our(t, nil) },
		"restic's":              func(t *testing.T) string { return servers.Rest(t).URL },
		"restic's, unverifying": func(t *testing.T) string { return servers.Rest(t, "--no-verify-upload").URL },
	} {
		t.Run(name, func(t *testing.T) {
			hostile.Run(t, func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile {
				url := strings.TrimSuffix(server(t), "/")
				return hostile.HTTP(t, trouble, hostile.Service{URL: url, Put: "POST", Lists: "index/"}, func(p *wan.Proxy) storage.Store { return create(t, p.URL()+"/") })
			})
		})
	}
}
