"""How text is made comparable: normalisation, stems, consonant skeletons and concepts, alike for documents and queries."""
