package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// newObject is what is said about an object when it is put.
type newObject struct {
	Name         string     `json:"name"`
	ContentType  string     `json:"contentType"`
	CRC32C       string     `json:"crc32c"` // compared by the service with what arrives
	StorageClass string     `json:"storageClass,omitempty"`
	CustomTime   string     `json:"customTime,omitempty"`
	Retention    *retention `json:"retention,omitempty"`
}

// Put stores body; see storage.Store.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	sent := httpx.Send(body)
	told, err := s.put(ctx, name, sent, o)
	switch {
	case err == nil:
		if told {
			o.WasChecked("CRC32C")
		}
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("put %s: %w", key, ctx.Err())
	case sent.Failure() != nil:
		return fmt.Errorf("put %s: read body: %w", key, sent.Failure())
	case errors.Is(err, errForgotten), errors.Is(err, storage.ErrConflict):
		_ = s.Delete(ctx, key) // where that is not permitted, an object too many stays
	case !o.Retention.IsZero() && errors.Is(err, storage.ErrUnsupported):
		if lerr := s.CheckLocking(ctx); lerr != nil {
			return fmt.Errorf("put %s: %w", key, lerr)
		}
	}
	return fmt.Errorf("put %s: %w", key, s.failure(err))
}

// put sends the object. It returns whether the service told the checksum of
// what it has stored.
func (s *Store) put(ctx context.Context, name string, body *httpx.Sent, o storage.PutOptions) (told bool, err error) {
	sum, err := crc32cOf(ctx, body)
	if err != nil {
		return false, err
	}
	about := newObject{
		Name: name, ContentType: "application/octet-stream", CRC32C: sum,
		StorageClass: s.o.StorageClass, Retention: retentionFor(o.Retention),
	}
	if o.Bulk && s.o.MarkBulk {
		about.CustomTime = markTime()
	}
	if body.Size() <= s.tuning.singleBytes {
		return s.putWhole(ctx, about, body)
	}
	return s.putParts(ctx, about, body)
}

// crc32cOf hashes the whole body: the service wants the sum before the bytes.
func crc32cOf(ctx context.Context, body *httpx.Sent) (string, error) {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	err := body.Hash(ctx, h, 0, body.Size())
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32())), err
}

// absent are the parameters of an upload on the condition that nothing is
// there.
func absent(kind string) url.Values {
	return url.Values{"uploadType": {kind}, "ifGenerationMatch": {"0"}, "fields": {"retention,crc32c"}}
}

// putWhole sends what is said about the object and the object in one request.
func (s *Store) putWhole(ctx context.Context, about newObject, body *httpx.Sent) (told bool, err error) {
	before, after, contentType, err := envelope(about)
	if err != nil {
		return false, err
	}
	req, err := request(ctx, http.MethodPost, s.c.upload(), absent("multipart"),
		io.MultiReader(bytes.NewReader(before), body.Section(0, body.Size()), bytes.NewReader(after)))
	if err != nil {
		return false, err
	}
	req.ContentLength = int64(len(before)) + body.Size() + int64(len(after))
	req.Header.Set("Content-Type", contentType)
	resp, err := s.c.send(ctx, req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return confirm(ctx, about, resp.Body)
}

// errForgotten says that a service does not know retentions, and took the
// object without.
var errForgotten = fmt.Errorf("the service took the object and not its retention: %w", storage.ErrUnsupported)

// confirm reads the answer to the last request of a Put, and makes sure that
// the bytes are those that were sent, as far as the service tells, and that
// the retention was set.
func confirm(ctx context.Context, about newObject, body io.Reader) (told bool, err error) {
	var put object
	if err := decode(ctx, body, &put); err != nil {
		return false, err
	}
	switch {
	case put.CRC32C != "" && put.CRC32C != about.CRC32C:
		return false, fmt.Errorf("%w: the service has stored bytes with the checksum %s, sent were those with %s", storage.ErrConflict, put.CRC32C, about.CRC32C)
	case about.Retention != nil && put.Retention == nil:
		return false, errForgotten
	}
	return put.CRC32C != "", nil
}

// envelope is what comes before and after the bytes of an object in a request
// of two parts.
func envelope(about newObject) (before, after []byte, contentType string, err error) {
	var b bytes.Buffer
	parts := multipart.NewWriter(&b)
	first, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json; charset=utf-8"}})
	if err == nil {
		err = json.NewEncoder(first).Encode(about)
	}
	if err == nil {
		_, err = parts.CreatePart(textproto.MIMEHeader{"Content-Type": {about.ContentType}})
	}
	if err != nil {
		return nil, nil, "", err
	}
	before = bytes.Clone(b.Bytes())
	b.Reset()
	if err := parts.Close(); err != nil {
		return nil, nil, "", err
	}
	return before, b.Bytes(), "multipart/related; boundary=" + parts.Boundary(), nil
}

// putParts sends body in parts of one upload. A part that gets lost is sent
// again from where the service has it.
func (s *Store) putParts(ctx context.Context, about newObject, body *httpx.Sent) (told bool, err error) {
	header, err := s.c.callHeader(ctx, http.MethodPost, s.c.upload(), absent("resumable"), about, nil)
	if err != nil {
		return false, err
	}
	// The address is a secret of its own: whoever has it may go on uploading.
	address := header.Get("Location")
	if address == "" {
		return false, errors.New("the service began an upload and does not say where to")
	}
	upload := upload{s: s, about: about, address: address, body: body}
	for !upload.done {
		if err := body.Again(ctx, s.tuning.partDelay, func() error { return upload.next(ctx) }); err != nil {
			return false, err
		}
	}
	return upload.told, nil
}

// upload is an object that is sent in parts.
type upload struct {
	s       *Store
	about   newObject
	address string
	body    *httpx.Sent

	offset int64 // of the first byte that the service has not
	lost   bool  // offset is not known: the last part may have arrived or not
	done   bool
	told   bool // the service told the checksum of the object
}

// next sends the next part.
func (u *upload) next(ctx context.Context) error {
	if u.lost {
		offset, done, err := u.ask(ctx)
		if err != nil {
			return err
		}
		u.offset, u.done, u.lost = offset, done, false
	}
	if u.done {
		return nil
	}
	u.lost = true
	offset, done, err := u.part(ctx)
	if err != nil {
		return err
	}
	if !done && offset <= u.offset {
		return fmt.Errorf("the service takes no more than %d of %d bytes", offset, u.body.Size())
	}
	u.offset, u.done, u.lost = offset, done, false
	return nil
}

// part sends the part from offset on, and returns up to where the service has
// all of it, or that the object is done.
func (u *upload) part(ctx context.Context) (int64, bool, error) {
	length := min(u.s.tuning.partBytes, u.body.Size()-u.offset)
	req, err := request(ctx, http.MethodPut, u.address, nil, u.body.Section(u.offset, length))
	if err != nil {
		return 0, false, err
	}
	req.ContentLength = length
	req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", u.offset, u.offset+length-1, u.body.Size()))
	return u.send(ctx, req)
}

// ask asks up to where the service has the body.
func (u *upload) ask(ctx context.Context) (int64, bool, error) {
	req, err := request(ctx, http.MethodPut, u.address, nil, nil)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", u.body.Size()))
	return u.send(ctx, req)
}

func (u *upload) send(ctx context.Context, req *http.Request) (offset int64, done bool, err error) {
	resp, err := u.s.c.send(ctx, req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPermanentRedirect { // "resume incomplete", here
		u.told, err = confirm(ctx, u.about, resp.Body)
		return 0, true, err
	}
	if err := decode(ctx, resp.Body, nil); err != nil {
		return 0, false, err
	}
	said := resp.Header.Get("Range")
	if said == "" {
		return 0, false, nil // nothing has arrived
	}
	last, err := strconv.ParseInt(strings.TrimPrefix(said, "bytes=0-"), 10, 64)
	if err != nil || last < 0 {
		return 0, false, fmt.Errorf("the service says of an upload that it has %q", said)
	}
	return last + 1, false, nil
}

func markTime() string { return time.Now().UTC().Format(time.RFC3339) }
