package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"

	//lint:ignore SA1019 deprecated for new designs; the repository format prescribes it
	library "golang.org/x/crypto/poly1305"

	"holdfast/repository/internal/poly1305"
)

// ErrUnauthenticated says that sealed bytes were not sealed with this key, or
// were altered since.
var ErrUnauthenticated = errors.New("ciphertext verification failed")

// ErrDiffers says that sealed bytes are intact and hold another plaintext.
var ErrDiffers = errors.New("another plaintext was sealed")

// oneTime is memory for the one-time key of a MAC. AES is called through an
// interface, which makes its arguments escape: they are reused instead.
type oneTime struct {
	iv  [ivSize]byte
	key [32]byte // r ‖ AES-128_k(IV)
	tag [tagSize]byte
}

var oneTimes = sync.Pool{New: func() any { return new(oneTime) }}

// summer computes the tag of a message under a key for this message alone.
type summer func(tag *[tagSize]byte, message []byte, key *[32]byte)

// Seal appends the sealed form of plain, Overhead bytes longer, to dst and
// returns the extended slice. The memory of plain must not overlap dst's free
// capacity, unless plain begins exactly where its ciphertext will: at
// dst[len(dst)+16].
func (k *Key) Seal(dst, plain []byte) []byte { return k.sealBy(poly1305.Sum, dst, plain) }

func (k *Key) sealBy(sum summer, dst, plain []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(plain)+Overhead)[:start+len(plain)+Overhead]
	sealed := dst[start:]
	iv, text, tag := split(sealed)
	rand.Read(iv) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)

	cipher.NewCTR(k.encrypt, iv).XORKeyStream(text, plain)
	o := oneTimes.Get().(*oneTime)
	k.sum(sum, o, iv, text)
	copy(tag, o.tag[:])
	oneTimes.Put(o)
	return dst
}

// Open appends the plaintext of sealed to dst and returns the extended slice.
// It returns ErrUnauthenticated, and decrypts nothing, unless the tag is
// right. The memory of sealed must not overlap dst's free capacity: see
// OpenInPlace.
func (k *Key) Open(dst, sealed []byte) ([]byte, error) {
	iv, text, err := k.authentic(poly1305.Sum, sealed)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = slices.Grow(dst, len(text))[:start+len(text)]
	cipher.NewCTR(k.encrypt, iv).XORKeyStream(dst[start:], text)
	return dst, nil
}

// OpenInPlace is Open without a second buffer: the plaintext overwrites the
// ciphertext, and the returned slice is part of sealed. On an error sealed is
// as it was.
func (k *Key) OpenInPlace(sealed []byte) ([]byte, error) {
	iv, text, err := k.authentic(poly1305.Sum, sealed)
	if err != nil {
		return nil, err
	}
	cipher.NewCTR(k.encrypt, iv).XORKeyStream(text, text)
	return text, nil
}

// pieceSize is how much OpensTo decrypts at a time: little enough to stay in
// the first cache, much enough for the cipher to run at its full speed.
const pieceSize = 16 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// OpensTo proves that Open gives exactly plain, in memory that does not grow
// with it. It returns ErrUnauthenticated if the tag is not right, and ErrDiffers
// if the plaintext is another. What is stored is proven by it, so the tag is
// computed by x/crypto, as other programs do, and not by what Seal used.
func (k *Key) OpensTo(sealed, plain []byte) error {
	iv, text, err := k.verify(library.Sum, sealed)
	if err != nil {
		return err
	}
	if len(text) != len(plain) {
		return fmt.Errorf("%w: %d bytes, want %d", ErrDiffers, len(text), len(plain))
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	stream := cipher.NewCTR(k.encrypt, iv)
	for len(text) > 0 {
		n := min(len(text), pieceSize)
		stream.XORKeyStream(piece[:n], text[:n])
		if !bytes.Equal(piece[:n], plain[:n]) {
			return ErrDiffers
		}
		text, plain = text[n:], plain[n:]
	}
	return nil
}

// authentic returns the parts of sealed if its tag is right. Where sum finds that
// it is not, x/crypto judges: what is stored well must not be called damaged by
// a mistake of ours.
func (k *Key) authentic(sum summer, sealed []byte) (iv, text []byte, err error) {
	if iv, text, err = k.verify(sum, sealed); err != nil {
		return k.verify(library.Sum, sealed)
	}
	return iv, text, nil
}

// verify returns the parts of sealed if its tag is right.
func (k *Key) verify(sum summer, sealed []byte) (iv, text []byte, err error) {
	if len(sealed) < Overhead {
		return nil, nil, fmt.Errorf("%w: %d bytes are too few", ErrUnauthenticated, len(sealed))
	}
	iv, text, tag := split(sealed)
	if [ivSize]byte(iv) == [ivSize]byte{} {
		return nil, nil, fmt.Errorf("%w: the IV is all zero", ErrUnauthenticated)
	}
	o := oneTimes.Get().(*oneTime)
	defer oneTimes.Put(o)
	k.sum(sum, o, iv, text)
	if subtle.ConstantTimeCompare(o.tag[:], tag) != 1 {
		return nil, nil, ErrUnauthenticated
	}
	return iv, text, nil
}

// sum computes the tag of text into o.tag.
func (k *Key) sum(by summer, o *oneTime, iv, text []byte) {
	copy(o.iv[:], iv)
	copy(o.key[:16], k.material.MACR[:])
	k.mac.Encrypt(o.key[16:], o.iv[:])
	by(&o.tag, text, &o.key)
}

// split divides sealed bytes, at least Overhead of them, into their parts.
func split(sealed []byte) (iv, text, tag []byte) {
	end := len(sealed) - tagSize
	return sealed[:ivSize], sealed[ivSize:end], sealed[end:]
}
