package web

import (
	"net/http"
	"net/url"
	"strconv"
)

// pages says which part of a list a page shows, and where the others are.
type pages struct {
	Number, Count  int
	Before, After  string // URLs, "" for none
	from, to, each int
}

// pagesOf divides n things, each a page, by the query's "page".
func pagesOf(r *http.Request, n, each int) pages {
	p := pages{Number: max(1, number(r, "page")), Count: max(1, (n+each-1)/each), each: each}
	p.Number = min(p.Number, p.Count)
	p.from, p.to = (p.Number-1)*each, min(n, p.Number*each)
	if p.Number > 1 {
		p.Before = withQuery(r, "page", strconv.Itoa(p.Number-1))
	}
	if p.Number < p.Count {
		p.After = withQuery(r, "page", strconv.Itoa(p.Number+1))
	}
	return p
}

// withQuery is the URL of a request with one key of its query changed; "" takes
// the key away.
func withQuery(r *http.Request, key, value string) string {
	q := make(url.Values)
	for k, v := range r.URL.Query() {
		if k != key {
			q[k] = v
		}
	}
	if value != "" {
		q.Set(key, value)
	}
	if len(q) == 0 {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + q.Encode()
}
