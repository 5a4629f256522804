package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// decodeAll collects what Decode visits.
func decodeAll(data []byte) (packs []Pack, err error) {
	err = Decode(data, func(pack id.ID, blobs []blob.Blob) error {
		packs = append(packs, Pack{ID: pack, Blobs: slices.Clone(blobs)})
		return nil
	})
	return packs, err
}

func equalPacks(a, b []Pack) bool {
	return slices.EqualFunc(a, b, func(p, q Pack) bool { return p.ID == q.ID && slices.Equal(p.Blobs, q.Blobs) })
}

func TestEncodeIsWhatResticWrites(t *testing.T) {
	pack, data, tree := id.Hash([]byte("pack")), id.Hash([]byte("data")), id.Hash([]byte("tree"))
	got := Encode([]Pack{{ID: pack, Blobs: []blob.Blob{
		{Handle: blob.Handle{ID: data}, Location: blob.Location{Length: 40, PlainLength: 99}},
		{Handle: blob.Handle{ID: tree, Type: blob.Tree}, Location: blob.Location{Offset: 40, Length: 50}},
	}}, {ID: data}})
	want := fmt.Sprintf(`{"packs":[{"id":"%s","blobs":[`+
		`{"id":"%s","type":"data","offset":0,"length":40,"uncompressed_length":99},`+
		`{"id":"%s","type":"tree","offset":40,"length":50}]},{"id":"%s","blobs":[]}]}`, pack, data, tree, data)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Encode(nil)); got != `{"packs":[]}` {
		t.Errorf("no packs: %s", got)
	}
}

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

	blobB = `{"id":"` + idB + `","type":"tree","offset":1,"length":33,"uncompressed_length":7}`
	packA = `{"id":"` + idA + `","blobs":[` + blobB + `]}`
)

func TestDecodeTolerates(t *testing.T) {
	for name, text := range map[string]string{
		"as written":     `{"packs":[` + packA + `]}`,
		"supersedes":     `{"supersedes":["` + idB + `"],"packs":[` + packA + `]}`,
		"unknown values": `{"x":{"y":[1,-2.5e+3,true,false,null,"\"\u00e9"],"z":{}},"packs":[` + packA + `],"packs_to_delete":[{"id":1}]}`,
		"bare list":      `[` + packA + `]`,
		"white space":    " {\n\"packs\" :\t[ " + strings.NewReplacer(":", " : ", ",", " , ", "[", "[ ", "}", " } ").Replace(packA) + " ] }\r\n",
		"other order":    `{"packs":[{"blobs":[{"uncompressed_length":7,"length":33,"offset":1,"type":"tree","id":"` + idB + `"}],"time":"2026","id":"` + idA + `"}]}`,
		"escaped":        `{"p\u0061cks":[{"id":"\u0061` + idA[1:] + `","blobs":[` + strings.Replace(blobB, "tree", `tre\u0065`, 1) + `]}]}`,
	} {
		got, err := decodeAll([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, _ := id.Parse(idA)
		b, _ := id.Parse(idB)
		want := []Pack{{ID: a, Blobs: []blob.Blob{{
			Handle:   blob.Handle{ID: b, Type: blob.Tree},
			Location: blob.Location{Pack: a, Offset: 1, Length: 33, PlainLength: 7},
		}}}}
		if !equalPacks(got, want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for _, text := range []string{`{"packs":[]}`, `{"packs":null}`, `[]`} {
		if got, err := decodeAll([]byte(text)); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestDecodeRefusesNonsense(t *testing.T) {
	blobWith := func(old, new string) string {
		return `{"packs":[` + strings.Replace(packA, old, new, 1) + `]}`
	}
	for name, text := range map[string]string{
		"nothing":            ``,
		"no packs":           `{}`,
		"not an object":      `7`,
		"cut short":          `{"packs":[` + packA + `]`,
		"rest":               `{"packs":[]}{}`,
		"NUL at the end":     "{\"packs\":[]}\x00",
		"packs twice":        `{"packs":[],"packs":[]}`,
		"trailing comma":     `{"packs":[` + packA + `,]}`,
		"comma in object":    `{"packs":[],}`,
		"no comma":           `{"packs":[` + packA + packA + `]}`,
		"pack without ID":    `{"packs":[{"blobs":[]}]}`,
		"pack without blobs": `{"packs":[{"id":"` + idA + `"}]}`,
		"ID twice":           blobWith(`"type"`, `"id":"`+idB+`","type"`),
		"unknown type":       blobWith(`tree`, `bush`),
		"negative offset":    blobWith(`"offset":1`, `"offset":-1`),
		"fraction":           blobWith(`"offset":1`, `"offset":1.0`),
		"exponent":           blobWith(`"offset":1`, `"offset":1e2`),
		"leading zero":       blobWith(`"offset":1`, `"offset":01`),
		"null offset":        blobWith(`"offset":1`, `"offset":null`),
		"no offset":          blobWith(`"offset":1,`, ``),
		"offset too large":   blobWith(`"offset":1`, `"offset":4294967296`),
		"ends beyond 4 GiB":  blobWith(`"offset":1`, `"offset":4294967295`),
		"no length":          blobWith(`"length":33,`, ``),
		"length zero":        blobWith(`"length":33`, `"length":0`),
		"upper-case ID":      blobWith(idB, strings.ToUpper(idB)),
		"short ID":           blobWith(idB, idB[1:]),
		"long ID":            blobWith(idB, idB+"b"),
		"control character":  "{\"packs\":[],\"\n\":0}",
		"bad escape":         `{"packs":[],"\x":0}`,
		"nested too deeply":  `{"packs":[],"x":` + strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2) + `}`,
	} {
		if _, err := decodeAll([]byte(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v instead of ErrDamaged", name, err)
		}
	}
}

func TestDecodeReturnsTheVisitorsError(t *testing.T) {
	stop := errors.New("stop")
	err := Decode([]byte(`{"packs":[`+packA+`]}`), func(id.ID, []blob.Blob) error { return stop })
	if err != stop {
		t.Errorf("got %v", err)
	}
}

func TestCodecLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packs := rapid.SliceOf(drawPack(8)).Draw(t, "packs")
		got, err := decodeAll(Encode(packs))
		if err != nil || !equalPacks(got, packs) {
			t.Fatalf("got %v, %v", got, err)
		}
	})
}

// FuzzDecode compares Decode with encoding/json.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"packs":[` + packA + `]}`))
	f.Add([]byte(`[` + packA + `,` + packA + `]`))
	f.Add([]byte(`{"x":[1,2,{"y":null}],"packs":null,"z":-0.5e7}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeAll(data)
		want, wantErr := decodeSlowly(data)
		switch {
		case errors.Is(err, errDuplicateKey), errors.Is(err, errTooDeep):
		case err == nil && wantErr == nil:
			if !equalPacks(got, want) {
				t.Fatalf("got %v, encoding/json has %v", got, want)
			}
		case (err == nil) != (wantErr == nil):
			t.Fatalf("error %v, encoding/json has %v", err, wantErr)
		}
	})
}

// decodeSlowly is Decode in terms of encoding/json.
func decodeSlowly(data []byte) ([]Pack, error) {
	list := json.RawMessage(data)
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '[' {
		file, err := members(data, "packs")
		if err != nil {
			return nil, err
		}
		list = file["packs"]
	}
	var packs []Pack
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, err
	}
	for _, item := range items {
		p, err := packSlowly(item)
		if err != nil {
			return nil, err
		}
		packs = append(packs, p)
	}
	return packs, nil
}

func packSlowly(data []byte) (p Pack, err error) {
	m, err := members(data, "id", "blobs")
	if err != nil {
		return p, err
	}
	var items []json.RawMessage
	if err := errors.Join(known(m["id"], &p.ID), json.Unmarshal(m["blobs"], &items)); err != nil {
		return p, err
	}
	for _, item := range items {
		m, err := members(item, "id", "type", "offset", "length")
		if err != nil {
			return p, err
		}
		b := blob.Blob{Location: blob.Location{Pack: p.ID}}
		err = errors.Join(known(m["id"], &b.ID), known(m["type"], &b.Type), known(m["offset"], &b.Offset), known(m["length"], &b.Length))
		if plain, ok := m["uncompressed_length"]; ok {
			err = errors.Join(err, known(plain, &b.PlainLength))
		}
		if err := errors.Join(err, checkRange(&b)); err != nil {
			return p, err
		}
		p.Blobs = append(p.Blobs, b)
	}
	return p, nil
}

// members returns the members of an object that must have those named.
func members(data []byte, names ...string) (m map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := m[name]; !ok {
			return nil, fmt.Errorf("no %q", name)
		}
	}
	return m, nil
}

// known decodes the value of a known member, which null is none of.
func known(data json.RawMessage, v any) error {
	if string(data) == "null" {
		return errors.New("null")
	}
	return json.Unmarshal(data, v)
}

func BenchmarkDecode(b *testing.B) {
	data := Encode(madePacks(0, 1000, 50))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(data, func(id.ID, []blob.Blob) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	packs := madePacks(0, 1000, 50)
	b.SetBytes(int64(len(Encode(packs))))
	for b.Loop() {
		Encode(packs)
	}
}
