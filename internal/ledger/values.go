package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Where things lie in the engine.
const (
	valueRoot = "value/"
	leaseRoot = "lease/"
)

// Get reads the value under a key into v, which is what a JSON decoder
// takes, and returns its revision; ErrNotFound if there is none.
func (l *Ledger) Get(ctx context.Context, key string, v any) (Revision, error) {
	var rev Revision
	err := l.call(ctx, "read", key, func(ctx context.Context) error {
		got, err := l.client.Get(ctx, valueRoot+key)
		if err != nil {
			return err
		}
		if len(got.Kvs) == 0 {
			return ErrNotFound
		}
		rev = Revision(got.Kvs[0].GetModRevision())
		return json.Unmarshal(got.Kvs[0].GetValue(), v)
	})
	return rev, err
}

// Put writes a value, as JSON, in place of the one of revision rev, and
// returns the new revision. With NoRevision there must be none yet, with
// AnyRevision it does not matter. Else it returns ErrConflict and changes
// nothing.
func (l *Ledger) Put(ctx context.Context, key string, v any, rev Revision) (Revision, error) {
	return l.Update(ctx, Write{Key: key, Value: v, If: rev})
}

// Delete removes a value. One that is not there is fine.
func (l *Ledger) Delete(ctx context.Context, key string) error {
	_, err := l.Update(ctx, Write{Key: key, If: AnyRevision})
	return err
}

// Write is one change of an Update.
type Write struct {
	Key string
	// Value is what to write, nil to remove.
	Value any
	// If is the revision the value must have, as for Put.
	If Revision
}

// maxOps bounds the writes of an Update.
const maxOps = 128

// Update makes all writes or, with ErrConflict, none. It returns the revision
// that all values written have then.
func (l *Ledger) Update(ctx context.Context, writes ...Write) (Revision, error) {
	if len(writes) == 0 {
		return NoRevision, nil
	}
	conditions, ops, err := plan(writes)
	if err != nil {
		return NoRevision, fmt.Errorf("ledger: write %s: %w", writes[0].Key, err)
	}
	var rev Revision
	err = l.call(ctx, "write", writes[0].Key, func(ctx context.Context) error {
		done, err := l.client.Txn(ctx).If(conditions...).Then(ops...).Commit()
		switch {
		case errors.Is(err, rpctypes.ErrNoSpace):
			return fmt.Errorf("the ledger holds more than %d MB: remove what nobody needs, or `holdfast serve --rebuild`", quotaBytes>>20)
		case err != nil:
			return err
		case !done.Succeeded:
			return ErrConflict
		}
		rev = Revision(done.Header.GetRevision())
		return nil
	})
	return rev, err
}

// plan translates writes into what the engine calls a transaction.
func plan(writes []Write) (conditions []clientv3.Cmp, ops []clientv3.Op, err error) {
	if len(writes) > maxOps {
		return nil, nil, fmt.Errorf("%d writes at once, at most %d are possible", len(writes), maxOps)
	}
	for _, w := range writes {
		key := valueRoot + w.Key
		if w.If != AnyRevision {
			conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(key), "=", int64(w.If)))
		}
		if w.Value == nil {
			ops = append(ops, clientv3.OpDelete(key))
			continue
		}
		text, err := json.Marshal(w.Value)
		if err != nil {
			return nil, nil, err
		}
		if len(text) > maxValue {
			return nil, nil, fmt.Errorf("%s takes %d bytes, at most %d are possible", w.Key, len(text), maxValue)
		}
		ops = append(ops, clientv3.OpPut(key, string(text)))
	}
	return conditions, ops, nil
}

// pageSize bounds the values that List has in memory at once.
const pageSize = 500

// List calls fn with each value whose key begins with prefix, in the order of
// keys, all as of one instant. It ends with the first error of fn.
func (l *Ledger) List(ctx context.Context, prefix string, fn func(key string, decode func(any) error, rev Revision) error) error {
	from, end := valueRoot+prefix, clientv3.GetPrefixRangeEnd(valueRoot+prefix)
	at := int64(0) // the instant, known from the first page on
	for {
		page, err := l.page(ctx, from, end, at)
		if err != nil {
			return err
		}
		for _, kv := range page.Kvs {
			decode := func(v any) error { return decodeValue(kv, v) }
			if err := fn(string(kv.GetKey()[len(valueRoot):]), decode, Revision(kv.GetModRevision())); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		at = page.Header.GetRevision()
		from = string(page.Kvs[len(page.Kvs)-1].GetKey()) + "\x00"
	}
}

func (l *Ledger) page(ctx context.Context, from, end string, at int64) (*clientv3.GetResponse, error) {
	var page *clientv3.GetResponse
	err := l.call(ctx, "list", from[len(valueRoot):], func(ctx context.Context) (err error) {
		page, err = l.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(at))
		return err
	})
	return page, err
}

func decodeValue(kv *pb.KeyValue, v any) error {
	if err := json.Unmarshal(kv.GetValue(), v); err != nil {
		return fmt.Errorf("ledger: read %s: %w", kv.GetKey()[len(valueRoot):], err)
	}
	return nil
}
