package tree

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"holdfast/repository/id"
)

// reference is the node as encoding/json reads and writes it with the tags
// of the format: what the codec by hand is measured against.
type reference struct {
	Name               string                     `json:"name"`
	Type               string                     `json:"type"`
	Mode               os.FileMode                `json:"mode,omitempty"`
	ModTime            time.Time                  `json:"mtime"`
	AccessTime         time.Time                  `json:"atime"`
	ChangeTime         time.Time                  `json:"ctime"`
	UID                uint32                     `json:"uid"`
	GID                uint32                     `json:"gid"`
	User               string                     `json:"user,omitempty"`
	Group              string                     `json:"group,omitempty"`
	Inode              uint64                     `json:"inode,omitempty"`
	DeviceID           uint64                     `json:"device_id,omitempty"`
	Size               uint64                     `json:"size,omitempty"`
	Links              uint64                     `json:"links,omitempty"`
	LinkTarget         string                     `json:"linktarget,omitempty"`
	LinkTargetRaw      []byte                     `json:"linktarget_raw,omitempty"`
	ExtendedAttributes []referenceAttribute       `json:"extended_attributes,omitempty"`
	GenericAttributes  map[string]json.RawMessage `json:"generic_attributes,omitempty"`
	Device             uint64                     `json:"device,omitempty"`
	Content            []referenceID              `json:"content"`
	Subtree            *referenceID               `json:"subtree,omitempty"`
	Error              string                     `json:"error,omitempty"`
}

type referenceAttribute struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

type referenceTree struct {
	Nodes []json.RawMessage `json:"nodes"`
}

// referenceID reads the bytes between the quotation marks without resolving
// escapes, as the format's other readers do.
type referenceID id.ID

func (i referenceID) MarshalJSON() ([]byte, error) {
	return []byte(`"` + hex.EncodeToString(i[:]) + `"`), nil
}

func (i *referenceID) UnmarshalJSON(b []byte) error {
	if len(b) != 2*id.Size+2 || b[0] != '"' {
		return errors.New("not an ID")
	}
	parsed, err := id.Parse(string(b[1 : len(b)-1]))
	*i = referenceID(parsed)
	return err
}

func referenceTime(t time.Time) time.Time {
	switch y := t.Year(); {
	case y < 0:
		return t.AddDate(-y, 0, 0)
	case y > 9999:
		return t.AddDate(9999-y, 0, 0)
	}
	return t
}

func referenceEncode(n *Node) ([]byte, error) {
	quoted := strconv.Quote(n.Name)
	r := reference{
		Name: quoted[1 : len(quoted)-1], Type: string(n.Type), Mode: n.Mode,
		ModTime: referenceTime(n.ModTime), AccessTime: referenceTime(n.AccessTime),
		ChangeTime: referenceTime(n.ChangeTime), UID: n.UID, GID: n.GID, User: n.User, Group: n.Group,
		Inode: n.Inode, DeviceID: n.DeviceID, Size: n.Size, Links: n.Links, LinkTarget: n.LinkTarget,
		GenericAttributes: n.GenericAttributes, Device: n.Device, Subtree: (*referenceID)(n.Subtree), Error: n.Error,
	}
	if !utf8.ValidString(n.LinkTarget) {
		r.LinkTargetRaw = []byte(n.LinkTarget)
	}
	for _, a := range n.ExtendedAttributes {
		r.ExtendedAttributes = append(r.ExtendedAttributes, referenceAttribute(a))
	}
	if n.Content != nil {
		r.Content = make([]referenceID, len(n.Content))
		for i := range n.Content {
			r.Content[i] = referenceID(n.Content[i])
		}
	}
	return json.Marshal(r)
}

func referenceDecode(data []byte) (*Node, error) {
	var r reference
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	name, err := strconv.Unquote(`"` + r.Name + `"`)
	if err != nil {
		return nil, err
	}
	n := &Node{
		Name: name, Type: Type(r.Type), Mode: r.Mode,
		ModTime: r.ModTime, AccessTime: r.AccessTime, ChangeTime: r.ChangeTime,
		UID: r.UID, GID: r.GID, User: r.User, Group: r.Group,
		Inode: r.Inode, DeviceID: r.DeviceID, Size: r.Size, Links: r.Links, LinkTarget: r.LinkTarget,
		GenericAttributes: r.GenericAttributes, Device: r.Device, Subtree: (*id.ID)(r.Subtree), Error: r.Error,
	}
	if r.LinkTargetRaw != nil {
		n.LinkTarget = string(r.LinkTargetRaw)
	}
	for _, a := range r.ExtendedAttributes {
		n.ExtendedAttributes = append(n.ExtendedAttributes, ExtendedAttribute(a))
	}
	if r.Content != nil {
		n.Content = make([]id.ID, len(r.Content))
		for i := range r.Content {
			n.Content[i] = id.ID(r.Content[i])
		}
	}
	return n, nil
}
