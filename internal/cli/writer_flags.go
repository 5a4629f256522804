package cli

import (
	"github.com/spf13/pflag"

	"holdfast/repository"
)

// writerFlags say how blobs are stored by commands other than backup.
type writerFlags struct {
	compression string
	packSize    int
}

func (f *writerFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.compression, "compression", "auto", "`level`: auto, off, fastest, better or max")
	fl.IntVar(&f.packSize, "pack-size", 0, "size of pack files in `MiB`, 4 to 128 (default 16)")
}

func (f *writerFlags) options() (repository.WriterOptions, error) {
	level, err := repository.ParseCompression(f.compression)
	return repository.WriterOptions{Compression: level, PackSizeBytes: f.packSize << 20}, err
}
