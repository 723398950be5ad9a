"""How text is made comparable, documents and questions alike: spelling, stems, skeletons, concepts."""
