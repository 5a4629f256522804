package azure_test

import (
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/storagetest"
	trouble "holdfast/test/hostile"
	"holdfast/test/servers"
	"holdfast/test/wan"
)

// TestHostileService puts Azurite behind a proxy that misbehaves.
func TestHostileService(t *testing.T) {
	trouble.Run(t, func(t *testing.T, which storagetest.Trouble) storagetest.Hostile {
		o := azurite(t)
		server, account, _ := strings.Cut(strings.TrimPrefix(servers.Azure(t).Endpoint, "http://"), "/")
		return trouble.HTTP(t, which, trouble.Service{URL: "http://" + server, Put: "PUT", Lists: "comp=list"}, func(p *wan.Proxy) storage.Store {
			o.Endpoint = p.URL() + "/" + account
			return open(t, o)
		})
	})
}
