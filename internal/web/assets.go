package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages load: all style sheets as one, the script,
// and icons. Their names carry a hash of what they are, so that browsers keep
// them for good and still see the next version at once.
type assets struct {
	names  map[string]string // style.css → style.0f3a….css
	served map[string]asset
}

type asset struct {
	kind          string
	plain, packed []byte
}

// loadAssets reads them out of the program; that they are there is certain.
func loadAssets() *assets {
	a := &assets{names: make(map[string]string), served: make(map[string]asset)}
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		panic("web: embedded assets: " + err.Error())
	}
	var style []byte
	for _, f := range files {
		text, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			panic("web: embedded asset: " + err.Error())
		}
		if path.Ext(f.Name()) == ".css" {
			style = append(style, text...)
			continue
		}
		a.add(f.Name(), text)
	}
	a.add("style.css", style)
	return a
}

func (a *assets) add(name string, text []byte) {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	sum := sha256.Sum256(text)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	write(z, text)
	_ = z.Close()
	a.names[name] = hashed
	a.served[hashed] = asset{kind: kinds[ext], plain: text, packed: packed.Bytes()}
}

// url is where an asset is had.
func (a *assets) url(name string) string { return "/assets/" + a.names[name] }

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.served[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	text := f.plain
	head := w.Header()
	head.Set("Content-Type", f.kind)
	head.Set("Cache-Control", "public, max-age="+strconv.Itoa(int((365*24*time.Hour).Seconds()))+", immutable")
	head.Add("Vary", "Accept-Encoding")
	if takesGzip(r) {
		text = f.packed
		head.Set("Content-Encoding", "gzip")
	}
	head.Set("Content-Length", strconv.Itoa(len(text)))
	write(w, text)
}
