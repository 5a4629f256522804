package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tiny is D3: files of 1 to 8 KiB, 100 to a folder, four of five like JSON and
// the fifth random.
type tiny struct{ files int }

var (
	tinyKeys   = strings.Fields("id user email created status score tags comment parent path owner size")
	tinyValues = strings.Fields("active deleted alpha beta release draft true false")
)

func (t tiny) build(ctx context.Context, dir string) error {
	r := newRandom(11)
	for i := range t.files {
		folder := filepath.Join(dir, fmt.Sprintf("%02d/%02d/%02d", i/20000, i/1000%20, i/100%10))
		if i%100 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("f%06d.json", i)), tinyContent(r, i), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func tinyContent(r *random, i int) []byte {
	size := 1<<10 + r.below(7<<10+1)
	text := make([]byte, 0, size+80)
	if i%5 == 4 {
		text = text[:size]
		r.fill(text)
		return text
	}
	for len(text) < size {
		x := r.uint64()
		text = fmt.Appendf(text, "{%q:%q,%q:%d,\"n\":\"%x\"}\n",
			tinyKeys[x&7], tinyValues[x>>4&7], tinyKeys[4+(x>>8&7)], x>>12&0xffff, x>>28)
	}
	return text[:size]
}
