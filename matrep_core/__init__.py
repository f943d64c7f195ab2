"""MatRep's core: formulas -> training -> runs -> frames -> views. It never imports streamlit."""
