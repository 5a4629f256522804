package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/storage"
	"holdfast/storage/azure"
	"holdfast/storage/gcs"
	"holdfast/storage/local"
	"holdfast/storage/rest"
	"holdfast/storage/s3"
	"holdfast/storage/sftp"
)

// Kind is a kind of place that a repository may lie in. It is the word that
// begins its URLs, and its settings on the command line.
type Kind string

// Local is a folder of this machine: a path, also written local:PATH.
const Local Kind = "local"

// IsRemote tells whether the place is reached over a network, so that it pays
// to keep copies of small objects here.
func (k Kind) IsRemote() bool { return k != Local }

// IsObjectStore tells whether the place is a bucket of an object store.
func (k Kind) IsObjectStore() bool {
	switch k {
	case "s3", "azure", "gs":
		return true
	}
	return false
}

// SpeaksTLS tells whether certificates say who is at the other end.
func (k Kind) SpeaksTLS() bool { return k.IsObjectStore() || k == "rest" }

type opener func(ctx context.Context, url string, o StoreOptions) (storage.Store, error)

// openers are the kinds there are.
var openers = map[Kind]opener{
	Local:   openLocal,
	"azure": opening(azure.Parse, azure.Open, azure.Create),
	"gs":    opening(gcs.Parse, gcs.Open, gcs.Create),
	"rest":  opening(rest.Parse, rest.Open, rest.Create),
	"s3":    opening(s3.Parse, s3.Open, s3.Create),
	"sftp":  opening(sftp.Parse, sftp.Open, sftp.Create),
}

// LocalFolder returns the folder of this machine that a URL names, if it names
// one: local:PATH, or a path.
func LocalFolder(url string) (folder string, ok bool) {
	if kind, err := KindOf(url); err != nil || kind != Local {
		return "", false
	}
	return folderOf(url), true
}

// folderOf returns the folder that the URL of a local place names.
func folderOf(url string) string { return filepath.Clean(strings.TrimPrefix(url, "local:")) }

// KindOf tells what kind of place a URL names. What has no known scheme is a
// path, unless it looks like a scheme and no such path exists.
func KindOf(url string) (Kind, error) {
	scheme, _, found := strings.Cut(url, ":")
	if !found || len(scheme) < 2 || strings.ContainsAny(scheme, `/\.`) {
		return Local, nil
	}
	if _, ok := openers[Kind(scheme)]; ok {
		return Kind(scheme), nil
	}
	if _, err := os.Lstat(url); err == nil {
		return Local, nil
	}
	return "", fmt.Errorf("repository %q: there is no kind of place %q; there are %s, and plain paths (write local:PATH for one with a colon)",
		scheme+":…", scheme, strings.Join(kindNames(), ", "))
}

func kindNames() []string {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(openers)) {
		names = append(names, string(k)+":")
	}
	return names
}

func openLocal(_ context.Context, url string, o StoreOptions) (storage.Store, error) {
	for name := range o.Settings {
		return nil, fmt.Errorf("a folder of this machine has no setting %q", name)
	}
	if o.Create {
		return local.Create(folderOf(url))
	}
	return local.Open(folderOf(url))
}

// settable is a pointer to the options of one kind of store.
type settable[O any] interface {
	*O
	// Set changes one setting; an error says which ones there are.
	Set(name, value string) error
}

// opening makes an opener of what every package of a remote store has: a
// parser of its URLs, settings, and two ways in.
func opening[O any, P settable[O], S storage.Store](
	parse func(url string) (O, error), open, create func(context.Context, O) (S, error),
) opener {
	return func(ctx context.Context, url string, o StoreOptions) (storage.Store, error) {
		options, err := parse(url)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
			if err := P(&options).Set(name, o.Settings[name]); err != nil {
				return nil, err
			}
		}
		if trusting, ok := any(P(&options)).(trusting); ok && o.AnyServer {
			trusting.TrustAnyServer()
		}
		if o.Create {
			return create(ctx, options)
		}
		return open(ctx, options)
	}
}

// trusting are options of a store that TLS leads to.
type trusting interface{ TrustAnyServer() }
