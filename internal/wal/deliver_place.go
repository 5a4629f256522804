package wal

import (
	"errors"
	"os"
	"path/filepath"
)

// DeliveryPlace is where a Delivery keeps files for a moment, and is asked for
// them.
type DeliveryPlace struct {
	// Folder is made, and removed at the end with all in it. On the file system
	// of the server's pg_wal, files move there by being renamed.
	Folder string
	// Socket is where Collect asks.
	Socket string
	// Taker, if set, is whom the segments that lie ready are for: no other looks
	// for them where they lie, such as a server that is started after this
	// process was killed.
	Taker string
	// WAL, if set, is the pg_wal of the server that recovers, on the file system
	// of Folder: what is fetched ahead is put into it. See Look.
	WAL string
	// Own, if set, gives a path to the user who collects.
	Own func(path string) error
	// Scratch tells that the server that recovers is thrown away: nothing must
	// outlast a failure of the power.
	Scratch bool
}

// The folders of a DeliveryPlace: files that are being fetched; segments that
// were fetched ahead, verified and whole; and what somebody has asked for, who
// takes it himself.
const (
	comingFolder = "coming"
	readyFolder  = "ready"
	askedFolder  = "asked"
)

func (p DeliveryPlace) coming(name string) string { return filepath.Join(p.Folder, comingFolder, name) }
func (p DeliveryPlace) ready(name string) string {
	return filepath.Join(p.Folder, readyFolder, p.Taker, name)
}
func (p DeliveryPlace) asked(name string) string { return filepath.Join(p.Folder, askedFolder, name) }

// Ready is the folder with the segments that were fetched ahead, under their
// names. Whoever recovers may take each by renaming it.
func (p DeliveryPlace) Ready() string { return p.ready("") }

// make makes the folders anew: what is there was left by one that was killed.
func (p DeliveryPlace) make() error {
	if err := os.RemoveAll(p.Folder); err != nil {
		return err
	}
	if err := os.MkdirAll(p.Folder, 0o700); err != nil {
		return err
	}
	if p.Own != nil {
		if err := os.Chmod(p.Folder, 0o711); err != nil { // others pass through
			return err
		}
	}
	for _, dir := range []string{p.coming(""), p.ready(""), p.asked("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(p.wanted(), nil, 0o600); err != nil {
		return err
	}
	return errors.Join(p.own(p.ready("")), p.own(p.asked("")), p.own(p.wanted()))
}

func (p DeliveryPlace) remove() error { return os.RemoveAll(p.Folder) }

func (p DeliveryPlace) own(path string) error {
	if p.Own == nil {
		return nil
	}
	return p.Own(path)
}

// sync makes a file durable: one that a server finds after the power failed
// must not be empty under its name, which recovery would take for the end of
// the log. The server does so itself before it replays a file, and then finds
// it done.
func (p DeliveryPlace) sync(path string) error {
	if p.Scratch {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
