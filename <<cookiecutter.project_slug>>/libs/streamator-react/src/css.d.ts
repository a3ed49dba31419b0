// The types of the style sheets: they are imported for their effect and export nothing.
