"""Generators of candidates: substitution, partial substitution, prototypes, random search, vacancies."""
