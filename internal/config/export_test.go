package config

// Fill is fill for tests of what is loaded.
var Fill = fill
