module onmux

go 1.26.0
