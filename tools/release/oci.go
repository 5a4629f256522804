package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// The documents of an image: see the OCI image specification, v1.1.

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	namedAs      = "org.opencontainers.image.ref.name"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type imageConfig struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	WorkingDir   string
	Labels       map[string]string
	StopSignal   string
}

type imageDocument struct {
	Created      time.Time   `json:"created"`
	Architecture string      `json:"architecture"`
	OS           string      `json:"os"`
	Config       imageConfig `json:"config"`
	RootFS       rootFS      `json:"rootfs"`
	History      []history   `json:"history"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// loadable is an entry of manifest.json, by which docker load finds an image.
type loadable struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// image is a layout that is being made.
type image struct {
	files     tree
	made      time.Time
	manifests []descriptor
	loadable  []loadable
}

// add adds the image for one processor.
func (im *image) add(processor, name string, root tree, config imageConfig) error {
	plain, small, err := packed(root, im.made)
	if err != nil {
		return err
	}
	layer := im.blob(layerType, small)
	document, err := im.document(configType, imageDocument{
		Created: im.made, Architecture: processor, OS: "linux", Config: config,
		RootFS:  rootFS{"layers", []string{digest(plain)}},
		History: []history{{im.made, "go run ./tools/release"}},
	})
	if err != nil {
		return err
	}
	d, err := im.document(manifestType, manifest{2, manifestType, document, []descriptor{layer}})
	if err != nil {
		return err
	}
	d.Platform = &platform{processor, "linux"}
	im.manifests = append(im.manifests, d)
	im.loadable = append(im.loadable, loadable{blobPath(document.Digest), []string{name}, []string{blobPath(layer.Digest)}})
	return nil
}

// end writes what leads to the images.
func (im *image) end(name string) error {
	all, err := im.document(indexType, index{2, indexType, im.manifests})
	if err != nil {
		return err
	}
	all.Annotations = map[string]string{namedAs: name, "io.containerd.image.name": "docker.io/library/" + name}
	for path, v := range map[string]any{
		"index.json":    index{2, indexType, []descriptor{all}},
		"oci-layout":    map[string]string{"imageLayoutVersion": "1.0.0"},
		"manifest.json": im.loadable,
	} {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		im.files.file(path, 0o644, data)
	}
	return nil
}

func (im *image) document(mediaType string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	return im.blob(mediaType, data), err
}

func (im *image) blob(mediaType string, data []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: digest(data), Size: len(data)}
	im.files.file(blobPath(d.Digest), 0o644, data)
	return d
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func blobPath(digest string) string { return "blobs/sha256/" + digest[len("sha256:"):] }
