package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const mib = 1 << 20

// mixed is D2: few large files. A disk image, a file that does not compress,
// and one like a database's dump.
type mixed struct {
	divisor int64 // of every size: 1 is 4 GiB in all
}

func (m mixed) imageBytes() int64  { return 2048 * mib / m.divisor }
func (m mixed) randomBytes() int64 { return 1024 * mib / m.divisor }
func (m mixed) tableBytes() int64  { return 1024 * mib / m.divisor }

func (m mixed) build(ctx context.Context, dir string) error {
	if err := m.buildImage(ctx, filepath.Join(dir, "vm.img")); err != nil {
		return fmt.Errorf("disk image: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "rand.bin"), m.writeRandom); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "table.csv"), m.writeTable)
}

// writeFile creates a file and has write fill it.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, mib)
	if err := write(buffered); err != nil {
		f.Close()
		return err
	}
	if err := buffered.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// writeRandom writes the AES-256-CTR key stream of a fixed key.
func (m mixed) writeRandom(w io.Writer) error {
	key, err := hex.DecodeString(strings.Repeat("0123456789abcdef", 4))
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	var iv [aes.BlockSize]byte
	stream := cipher.StreamReader{S: cipher.NewCTR(block, iv[:]), R: zeros{}}
	_, err = io.CopyN(w, stream, m.randomBytes())
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var (
	tableNames = strings.Fields("anna bob carla dmitri elif farid greta hugo ines jan kofi lena marek nadia omar petra")
	tableWords = strings.Fields("order shipped pending refund invoice delivery address customer warehouse priority " +
		"cancelled returned express standard gift bulk fragile backorder")
)

// writeTable writes rows of an order table: a growing number and time, a name,
// an amount, 64 random bits and a note from a pool of 4,096.
func (m mixed) writeTable(w io.Writer) error {
	r := newRandom(7)
	notes := tableNotes(r)
	left, at := m.tableBytes(), int64(1_600_000_000)
	var row []byte
	for id := int64(1); left > 0; id++ {
		x, bits := r.uint64(), r.uint64()
		at += int64(x & 31)
		row = strconv.AppendInt(row[:0], id, 10)
		row = strconv.AppendInt(append(row, ','), at, 10)
		row = append(append(row, ','), tableNames[x>>5&15]...)
		row = strconv.AppendUint(append(row, '.'), x>>9&0xfffff, 10)
		row = append(row, "@example.org,"...)
		row = strconv.AppendUint(row, x>>29&0x3fff, 10)
		row = fmt.Appendf(row, ".%02d,%016x,", x>>43%100, bits)
		row = append(append(row, notes[x>>50&4095]...), '\n')
		row = row[:min(int64(len(row)), left)]
		if _, err := w.Write(row); err != nil {
			return err
		}
		left -= int64(len(row))
	}
	return nil
}

func tableNotes(r *random) []string {
	notes := make([]string, 4096)
	for i := range notes {
		words := make([]string, 3+r.below(7))
		for j := range words {
			words[j] = tableWords[r.below(len(tableWords))]
		}
		notes[i] = strings.Join(words, " ")
	}
	return notes
}

// edits inserts 1 MiB near the start of the image, which shifts all that
// follows, and overwrites 200 blocks of 4 KiB of the table, as a database does.
func (m mixed) edits(files []string) []edit {
	var edits []edit
	for _, path := range files {
		switch filepath.Base(path) {
		case "vm.img":
			edits = append(edits, edit{path, m.insertBlock})
		case "table.csv":
			edits = append(edits, edit{path, m.overwriteBlocks})
		}
	}
	return edits
}

func (m mixed) insertBlock(w io.Writer, r io.Reader) error {
	block := make([]byte, mib/m.divisor)
	newRandom(99).fill(block)
	if _, err := io.CopyN(w, r, 100*mib/m.divisor); err != nil {
		return err
	}
	_, err := io.Copy(w, io.MultiReader(bytes.NewReader(block), r))
	return err
}

func (m mixed) overwriteBlocks(w io.Writer, r io.Reader) error {
	const block = 4 << 10
	numbers := newRandom(100)
	picked := numbers.sample(int(m.tableBytes()/block), int(max(1, 200/m.divisor)))
	slices.Sort(picked)
	var done int64
	var bits [block / 2]byte
	for _, n := range picked {
		offset := int64(n) * block
		if _, err := io.CopyN(w, r, offset-done); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, block); err != nil {
			return err
		}
		numbers.fill(bits[:])
		if _, err := io.WriteString(w, hex.EncodeToString(bits[:])); err != nil {
			return err
		}
		done = offset + block
	}
	_, err := io.Copy(w, r)
	return err
}
