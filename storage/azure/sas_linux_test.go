package azure_test

import (
	"errors"
	"io/fs"
	"net/url"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"holdfast/storage"
	"holdfast/storage/azure"
	"holdfast/test/servers"
)

// A shared access signature opens the container, for what it permits.
func TestSharedAccessSignature(t *testing.T) {
	o := azurite(t)
	signed := func(p sas.ContainerPermissions, until time.Duration) *azure.Store {
		t.Helper()
		container := servers.Azure(t).Client().ServiceClient().NewContainerClient(o.Container)
		text, err := container.GetSASURL(p, time.Now().Add(until), nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		with := o
		with.Key, with.SAS = "", u.RawQuery
		return open(t, with)
	}
	all := signed(sas.ContainerPermissions{Read: true, Add: true, Create: true, Write: true, List: true, Delete: true}, time.Hour)
	put(t, all, "data/a", "content", storage.PutOptions{})
	if got, err := storage.ReadAll(t.Context(), all, "data/a"); err != nil || string(got) != "content" {
		t.Errorf("Get = %q, %v", got, err)
	}
	if err := all.Delete(t.Context(), "data/a"); err != nil {
		t.Error(err)
	}
	adding := signed(sas.ContainerPermissions{Read: true, Add: true, Create: true, List: true}, time.Hour)
	put(t, adding, "data/b", "content", storage.PutOptions{})
	if err := adding.Delete(t.Context(), "data/b"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Delete without the permission = %v", err)
	}
	if _, err := signed(sas.ContainerPermissions{Read: true}, -time.Hour).Stat(t.Context(), "data/b"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Stat by a signature that has ended = %v", err)
	}
}
