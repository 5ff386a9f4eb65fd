// For the lab, which bundles a script but leaves this repository's packages to be found in the guest.
import '@linux-dma/bench/lab'
